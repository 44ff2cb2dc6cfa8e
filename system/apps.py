from django.apps import AppConfig


class SystemConfig(AppConfig):
    name = "system"

    def ready(self) -> None:
        from system import checks  # noqa: F401 registers them
