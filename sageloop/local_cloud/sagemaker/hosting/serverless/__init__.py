"""Serverless endpoints: environments that start when requests come and end when they are idle."""
