"""Reports for the browser: one HTML file with its pictures, which asks no network and no server."""
