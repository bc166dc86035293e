"""What meets an event on its way, in this order: keep_definitions, map_events, flush_buffers, upload_files.

An agent's body tells the story; the work is done by the classes beside it. No exception leaves an agent: what cannot be
handled stops the worker (`worker_fault`), and the next start goes on from the last cut.
"""
