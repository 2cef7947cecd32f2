"""The operations of the API, a module per noun. Routes are short and hold no logic."""
