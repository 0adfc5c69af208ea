"""The description of the API. Pure.

operations   what a view promises: parameters, answers, errors
document     an OpenAPI 3.1 document of all routes
text         the document in words, for the page /docs
"""
