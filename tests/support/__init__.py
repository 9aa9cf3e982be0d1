"""What tests of several kinds share: real servers, never stand-ins for our own code."""
