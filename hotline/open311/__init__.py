"""Open311 GeoReport v2: other systems hand in requests and follow them; no personal data go out."""
