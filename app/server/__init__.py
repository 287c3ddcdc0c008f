"""What of uvicorn is ours."""
