"""Order: one flow a file; file name, flow name and deployment name are the same. What happens, in which order; never how."""
