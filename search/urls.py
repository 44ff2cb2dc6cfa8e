from django.urls import path, re_path

from search.views import SearchViewSet

# A name may hold a slash (AT/T), but neither begin nor end with one.
COMPANY = "(?P<company>[^/]+(?:/[^/]+)*)"

urlpatterns = [
    path("news", SearchViewSet.as_view({"post": "news"}), name="search-news"),
    path("batch", SearchViewSet.as_view({"post": "batch"}), name="search-batch"),
    path("trending", SearchViewSet.as_view({"get": "trending"}), name="search-trending"),
    re_path(rf"^companies/{COMPANY}$", SearchViewSet.as_view({"post": "company"}), name="search-company"),
]
