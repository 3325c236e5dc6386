# The command around the server: what it asks for before it starts, and how it ends. What it answers is tested in
# tests/unit/serve.

== an address that others reach needs a key, or --open
$ simile serve --address 0.0.0.0 --port 0
err: simile: '0.0.0.0' can be reached by other machines: give an API key, or say --open if everybody may ask
[1]
$ simile serve --address :: --port 0
err: simile: '::' can be reached by other machines: give an API key, or say --open if everybody may ask
[1]
$ simile serve --address photos.example --port 0 --open
err: simile: 'photos.example' is no IP address to listen at
[1]

== keys
$ printf '\n' >empty; simile serve --api-key-file empty --port 0
err: simile: 'empty' holds no API key
[1]
$ simile serve --api-key-file nowhere --port 0
err: simile: cannot *'nowhere'*: no such file or directory (glob)
[1]
$ SIMILE_API_KEY='two words' simile serve --port 0
err: simile: the API key holds what no header can: letters, digits and signs alone
[1]

== what is no value
$ simile serve --origin photos.example --port 0
err: simile: 'photos.example' is no origin: https://photos.example is one
[1]
$ simile serve --log loudly
err: simile: 'loudly' is no value for --log: text, json or off is needed
[1]
$ MACHINE_LEARNING_MODEL_TTL=soon simile serve
err: simile: MACHINE_LEARNING_MODEL_TTL is 'soon', not a number of seconds
[1]
$ simile serve --port 65536
err: simile: '65536' is no value for --port: a whole number from 0 to 65535 is needed
err: try 'simile serve --help'
[2]
$ simile serve now
err: simile: 'serve' takes no words
err: try 'simile serve --help'
[2]
$ simile serve --root nowhere --port 0
err: simile: there is no folder *nowhere' (glob)
[1]
$ simile serve --model nothing --port 0 2>&1 | cut -c 1-43
simile: cannot find the model 'nothing' in 

== it prints where it is, and SIGTERM ends it well
$ simile serve --port 0 --log off >url & server=$!
> until [ -s url ]; do sleep 0.05; done
> sed 's/:[0-9]*\/$/:PORT\//' url
> kill -TERM $server; wait $server
http://127.0.0.1:PORT/
$ test -f "$HOME/.local/share/simile/catalog.simile"

== in JSON, and behind another address (skip unless grep -q " lo$" /proc/net/if_inet6)
$ simile serve --port 0 --json --log off --address ::1 >url & server=$!
> until [ -s url ] || ! kill -0 $server; do sleep 0.05; done
> sed 's/:[0-9]*\/"}$/:PORT\/"}/' url
> kill -TERM $server; wait $server
{"url":"http://[::1]:PORT/"}

== systemd's socket is named in two variables, and only for this process
$ LISTEN_PID=1 LISTEN_FDS=1 simile serve --port 0 --log off >url & server=$!
> until [ -s url ]; do sleep 0.05; done
> kill -TERM $server; wait $server
