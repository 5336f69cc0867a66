"""What the scheduler does."""
