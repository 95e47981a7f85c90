"""Starting jobs by hand and watching them, on AWS and in the local cloud alike."""
