"""Messages of the protos to and from the values of the app. Only here both are known."""
