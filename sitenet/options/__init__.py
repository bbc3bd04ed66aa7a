"""Every option of the configuration: typed, checked, documented in one place."""
