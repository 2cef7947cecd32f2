"""The JSON of the API. Every model carries an example, which the OpenAPI document shows."""
