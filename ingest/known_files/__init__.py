"""What is known of files that have not changed, so that they need not be read again."""
