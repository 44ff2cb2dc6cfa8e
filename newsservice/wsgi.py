"""The WSGI application gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from newsservice import observability

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newsservice.settings")
application = get_wsgi_application()
observability.start()
