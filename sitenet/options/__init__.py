"""Every option of the configuration: type, default, limits and description in one place."""
