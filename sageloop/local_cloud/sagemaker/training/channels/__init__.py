"""How a job's data reaches its hosts: as files, as read-only files, through pipes, as mounts."""
