//! What is done with APIs from the command line.
