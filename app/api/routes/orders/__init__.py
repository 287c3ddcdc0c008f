"""All of `/v1/orders`."""
