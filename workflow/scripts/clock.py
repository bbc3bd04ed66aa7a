"""When the job began; imported before what takes seconds to import."""

import time

START = time.time()
