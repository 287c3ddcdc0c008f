"""The pages, as browsers ask for them."""
