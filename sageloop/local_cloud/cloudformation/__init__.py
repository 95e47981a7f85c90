"""CloudFormation: stacks, change sets, and the engine that carries templates out."""
