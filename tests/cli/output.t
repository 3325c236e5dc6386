# Where output goes, and what happens when it cannot.

== messages go to stderr, results to stdout
$ simile --model "$MODELS/tiny-quick" tokenize x 2>/dev/null
572 343 573
$ simile --model nowhere tokenize x 2>/dev/null
[1]

== no progress where no terminal is
$ pattern a.ppm 1; simile --model "$MODELS/tiny-quick" add a.ppm 2>&1 >/dev/null

== a full disk is a failure, not a shorter answer
$ simile --model "$MODELS/tiny-quick" embed --text x >/dev/full
err: simile: cannot write the output: No space left on device
[1]
$ pattern a.ppm 1; simile --model "$MODELS/tiny-quick" add a.ppm >/dev/null
> simile --model "$MODELS/tiny-quick" search x >/dev/full
err: simile: cannot write the output: No space left on device
[1]
$ simile info --items >/dev/full
err: simile: cannot write the output: No space left on device
[1]
$ yes word | head -n 3000 | simile --model "$MODELS/tiny-quick" tokenize >/dev/full
err: simile: cannot write the output: No space left on device
[1]

== stdout that is closed is a failure
$ simile --model "$MODELS/tiny-quick" tokenize x >&-
err: simile: cannot write the output: Bad file descriptor
[1]

== colours are for terminals
$ pattern a.ppm 1; simile --model "$MODELS/tiny-quick" add a.ppm >/dev/null
> TERM=xterm simile --model "$MODELS/tiny-quick" search x | LC_ALL=C grep -c "$(printf '\033')"
0
[1]

== JSON strings are escaped
$ simile --model "$MODELS/tiny-quick" tokenize "$(printf 'a"b\\c\td\001')" --json | sed 's/,"ids.*//'
{"text":"a\"b\\c\td\u0001"

== -o to a device or through a link writes there, and does not put a file in its place
$ ln -s target.npy link.npy; mkfifo pipe; cat pipe >copy & simile --model "$MODELS/tiny-quick" embed --format npy --text x -o pipe
> wait; simile --model "$MODELS/tiny-quick" embed --format npy --text x -o link.npy
> cmp copy target.npy; test -L link.npy; test -p pipe
$ simile --model "$MODELS/tiny-quick" embed --text x -o /dev/full
err: simile: cannot write '/dev/full': no space left on device
[1]
