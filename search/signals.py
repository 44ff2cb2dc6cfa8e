"""How search speaks to whoever keeps companies and history, without knowing them."""

from django.dispatch import Signal

# An analysis was made: who keeps it may return the id it is kept under. Sent with `analysis` (search.types.Analysis)
# `trigger` (api, schedule, manual, admin, command) and `asked_by`, the run that asks for it, None where none does.
analysis_completed = Signal()

# A company is asked for: who knows it by this name or alias returns its search.types.KnownCompany. Sent with `name`,
# normalised.
company_asked_for = Signal()
