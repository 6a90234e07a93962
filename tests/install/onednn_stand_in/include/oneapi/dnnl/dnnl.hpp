// The source folder is known by this file.
