"""Order: one flow a file; file name, flow name and deployment name are the same. What happens, in which order; never how."""

import tasks  # noqa: F401  switches usage analytics off before a flow file imports Prefect
