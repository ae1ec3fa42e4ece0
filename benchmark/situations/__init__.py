"""Road situations in metres, seen by a pinhole camera, through the tracker, the signal history and the rules: who is accused?"""
