"""JSON in and out of the domain's types: parsing with the path of each fault, rendering."""
