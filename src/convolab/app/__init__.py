"""The lab: a web app over the same core as the command line. `convolab.app.serve.serve` starts it."""
