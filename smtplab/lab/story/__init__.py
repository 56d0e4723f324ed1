"""The story of Meridian: real messages through the lab's servers, and the volume cloned from what those wrote."""
