"""The one event: an analysis was made. Whoever keeps history listens, and may return the id it is kept under."""

from django.dispatch import Signal

# Sent with `analysis` (search.types.Analysis) and `trigger` (api, schedule, manual, admin, command).
analysis_completed = Signal()
