from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SystemConfig(AppConfig):
    name = "system"
    verbose_name = _("Access")

    def ready(self) -> None:
        from system import checks, receivers  # noqa: F401 register themselves
