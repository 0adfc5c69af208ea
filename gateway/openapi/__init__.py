"""The description of the API. Pure.

operations   the operation of a view: parameters, responses, errors
document     an OpenAPI 3.1 document of all routes
text         the document in words, for the page /docs
"""
