"""What a host should do next. Pure: values in, values out."""
