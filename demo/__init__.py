"""The demo: its data, the working-day service, and the story that `shuxiang demo` plays over HTTP."""
