"""Serverless endpoints: environments that start with requests and end when they are idle."""
