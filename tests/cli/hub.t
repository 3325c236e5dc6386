# pull, models, rm against a server that misbehaves (tests/tools/bad_server.c). hub.sh starts it; $PORT is its port,
# $HUB/log what it was asked. A repository t/<case> names what goes wrong.

== a model is pulled, listed and removed
$ simile pull t/good --json
{"name":"good","source":"t/good@0123456789abcdef0123456789abcdef01234567","directory":"*/models/good","files":2,"bytes":3000023,"fetched":3000023,"resumed":0,"cached":0} (glob)
$ ls -A ~/.local/share/simile/models ~/.local/share/simile/models/good
*/models: (glob)
good

*/models/good: (glob)
config.json
model.safetensors
simile-model.json
$ simile models --installed --json | grep -o '{"name":"good"[^}]*}'
{"name":"good","directory":"*/models/good","source":"t/good@0123456789abcdef0123456789abcdef01234567","bytes":*,"partial":false,"removable":true} (glob)
$ simile rm good
removed good: 3.0 MB
$ ls -A ~/.local/share/simile/models
$ simile models --installed | grep good
[1]

== a second pull of the same name fails, --replace fetches it again
$ simile pull t/good >/dev/null; simile pull t/good
err: simile: cannot pull 't/good': '*/models/good' is there already (glob)
[1]
$ simile pull t/good --replace --json
{"name":"good",*"fetched":3000023,"resumed":0,"cached":0} (glob)
$ ls -A ~/.local/share/simile/models
good

== what others put there is neither replaced nor removed
$ simile pull t/good >/dev/null; echo mine >~/.local/share/simile/models/good/notes.txt
> simile rm good
err: simile: cannot delete '*/models/good': 'notes.txt' in it was not put there by pull (glob)
[1]
$ simile pull t/good --replace
err: simile: cannot delete '*/models/good': 'notes.txt' in it was not put there by pull (glob)
[1]
$ mkdir -p ~/.local/share/simile/models/own; echo '{}' >~/.local/share/simile/models/own/config.json
> simile rm own
err: simile: cannot delete '*/models/own': it was not made by pull (glob)
[1]
$ cat ~/.local/share/simile/models/own/config.json ~/.local/share/simile/models/good/notes.txt
{}
mine

== a link is not followed when a model is removed
$ simile pull t/good >/dev/null; mv ~/.local/share/simile/models/good elsewhere
> ln -s "$PWD/elsewhere" ~/.local/share/simile/models/good
> simile rm good
err: simile: cannot delete '*/models/good': it was not made by pull (glob)
[1]
$ ls elsewhere
config.json
model.safetensors
simile-model.json

== rm wants a name, not a path
$ for n in ../x a/b .. . '' .hidden x.part; do simile rm "$n"; done
err: simile: '../x' cannot be the name of a model here
err: simile: 'a/b' cannot be the name of a model here
err: simile: '..' cannot be the name of a model here
err: simile: '.' cannot be the name of a model here
err: simile: '' cannot be the name of a model here
err: simile: '.hidden' cannot be the name of a model here
err: simile: 'x.part' cannot be the name of a model here
[1]
$ simile rm nothing
err: simile: there is no model 'nothing' in '*/models' (glob)
[1]

== a record that was changed leads nowhere else
$ simile pull t/good >/dev/null; echo keep >~/.local/share/simile/keep
> sed -i 's/config.json/..\/..\/keep/' ~/.local/share/simile/models/good/simile-model.json
> simile rm good
err: simile: '*/models/good/simile-model.json' names a file '../../keep' (glob)
[1]
$ cat ~/.local/share/simile/keep
keep

== names
$ for n in nothing a//b /x 't/a b' 't/..' '../t' 't/x@../y' http://127.0.0.1/x https://x/0123/y.pt ftp://x/y; do
>     simile pull "$n"
> done
err: simile: 'nothing' is neither a known model nor owner/name of the hub
err: simile: 'a//b' is neither owner/name nor owner/name@revision
err: simile: '/x' is neither owner/name nor owner/name@revision
err: simile: 't/a b' is neither owner/name nor owner/name@revision
err: simile: 't/..' is neither owner/name nor owner/name@revision
err: simile: '../t' is neither owner/name nor owner/name@revision
err: simile: 't/x@../y' is neither owner/name nor owner/name@revision
err: simile: 'http://127.0.0.1/x' is no URL that ends in the file's SHA-256 and its name
err: simile: 'https://x/0123/y.pt' is no URL that ends in the file's SHA-256 and its name
err: simile: 'ftp://x/y' is no URL that ends in the file's SHA-256 and its name
[1]
$ simile pull t/good --name ../x
err: simile: '../x' cannot be the name of a model here
[1]
$ simile pull
err: simile: pull which model; 'simile models' lists those with a name
err: try 'simile pull --help'
[2]
$ simile pull t/good t/odd --name x
err: simile: --name is for one model alone
err: try 'simile pull --help'
[2]

== another name
$ simile pull t/good --name mine --json | sed 's/,.*//'
{"name":"mine"
$ ls ~/.local/share/simile/models
mine

== only what is needed is taken
$ simile pull t/odd >/dev/null; cd ~/.local/share/simile/models/odd; ls -A
config.json
model.safetensors
simile-model.json
$ simile pull t/shards >/dev/null; cd ~/.local/share/simile/models/shards; ls -A
config.json
model-00001-of-00002.safetensors
model-00002-of-00002.safetensors
model.safetensors.index.json
simile-model.json
$ simile pull t/modules >/dev/null; cd ~/.local/share/simile/models/modules; find . -type f | LC_ALL=C sort
./0_CLIPModel/config.json
./0_CLIPModel/model.safetensors
./1_Dense/config.json
./modules.json
./simile-model.json
$ simile rm modules; ls ~/.local/share/simile/models
removed modules: 3.0 MB
odd
shards

== several weights: one has to be named
$ simile pull t/several
err: simile: cannot choose from 't/several': 2 files end in '.gguf', and one has to be named
[1]
$ simile pull t/several --file b.gguf >/dev/null; ls ~/.local/share/simile/models/several
b.gguf
config.json
simile-model.json
$ simile pull t/several --name x --file c.gguf
err: simile: 't/several' has no file 'c.gguf'
[1]
$ simile pull t/no-weights
err: simile: cannot pull 't/no-weights': it holds no weights in a form known here
[1]

== statuses of the server
$ for c in 401 403 404 no-revision 429-late 500; do simile pull t/$c --retries 0; done
err: simile: cannot fetch 't/401': there is no such model, or it is private and needs HF_TOKEN (401)
err: simile: cannot fetch 't/403': access to it has to be granted first (403)
err: simile: cannot fetch 't/404': the server does not have it (404)
err: simile: cannot fetch 't/no-revision': there is no such revision (404)
err: simile: cannot fetch 't/429-late': the server wants to be asked less often (429)
err: simile: cannot fetch 't/500': the server fails (500)
[1]
$ simile pull t/429-late
err: simile: cannot fetch 't/429-late': the server asks to come back in 86400 seconds
[1]

== what passes is attempted again
$ simile pull t/429 --retries 3 >/dev/null; simile pull t/503-once --retries 1 >/dev/null; ls ~/.local/share/simile/models
429
503-once

== hostile lists
$ for c in dotdot absolute control nul backslash biglist huger endless elsewhere cut-list html-list; do
>     simile pull t/$c --retries 0
> done
err: simile: cannot use the list of 't/dotdot': it has a file named '../evil'
err: simile: cannot use the list of 't/absolute': it has a file named '/etc/evil'
err: simile: cannot use the list of 't/control': it has a file named 'a*b' (glob)
err: simile: cannot read 't/nul': not the JSON it should be: a NUL character in a string at byte *  (glob)
err: simile: cannot use the list of 't/backslash': it has a file named '..\evil'
err: simile: cannot use the list of 't/biglist': more than 20000 files
err: simile: cannot use the list of 't/huger': 'model.safetensors' is said to have 1099511627777 bytes
err: simile: cannot fetch 't/endless': its list of files has no end
err: simile: cannot fetch 't/elsewhere': its list goes on at another server
err: simile: cannot read 't/cut-list': not the JSON it should be: a string is cut short at byte * (glob)
err: simile: cannot fetch 't/html-list': a web page came in its place
[1]
$ ls -A ~/.local/share/simile/models

== no room on the disk
$ simile pull t/huge
err: simile: cannot pull 't/huge': 1099* MB are needed on the disk, * MB are free (glob)
[1]

== redirects: another scheme, no end, nothing
$ for c in ftp https file loop no-place; do simile pull t/$c --retries 0; done
err: simile: cannot fetch 't/ftp': the server points to something that is no URL of the web
err: simile: cannot fetch 't/https': the server points from http to https
err: simile: cannot fetch 't/file': the server points to something that is no URL of the web
err: simile: cannot fetch 't/loop': the server points from place to place without end
err: simile: cannot fetch 't/no-place': the server points to something that is no URL of the web
[1]

== a public endpoint, here behind a proxy, must not lead to a private address
$ export http_proxy=http://127.0.0.1:$PORT HF_ENDPOINT=http://hub.example
> simile pull t/good >/dev/null && simile pull t/private --retries 0
err: simile: cannot fetch 't/private': the server points to a private address
[1]
$ export http_proxy=http://127.0.0.1:$PORT HF_ENDPOINT=http://hub.example no_proxy=127.0.0.1,10.1.2.3
> simile pull t/private --retries 0; simile pull t/private-10 --retries 0
err: simile: cannot fetch 't/private': the server points to a private address
err: simile: cannot fetch 't/private-10': the server points to a private address
[1]
$ grep -c /never "$HUB/log"
0
[1]

== nor to a name that turns out to be one (skip unless getent ahosts "$(uname -n)" | grep -q "^127[.]")
$ export http_proxy=http://127.0.0.1:$PORT HF_ENDPOINT=http://hub.example no_proxy=$(uname -n)
> simile pull t/private-name --retries 0
err: simile: cannot fetch 't/private-name': the server points to a private address
[1]

== a private endpoint may lead to private addresses
$ simile pull t/private --retries 0
err: simile: cannot fetch 't/private': the server does not have it (404)
[1]

== the token goes to the endpoint and nowhere else
$ HF_TOKEN=hf_secret simile pull t/redirect >/dev/null
> grep redirect "$HUB/log" | sed 's/ .*token=/ /' | sort | uniq -c | sed 's/^ *//'
4 127.0.0.1 Bearer hf_secret
1 localhost 
$ mkdir -p ~/.cache/huggingface; echo hf_filed >~/.cache/huggingface/token; simile pull t/good >/dev/null
> grep -c 'token=Bearer hf_filed' "$HUB/log"
4
$ HF_TOKEN="$(printf 'a\rb')" simile pull t/odd
err: simile: the token in HF_TOKEN is none
[1]

== what is cut short goes on where it stopped
$ simile pull t/truncated-once --json
{"name":"truncated-once",*"fetched":3000023,"resumed":0,"cached":0} (glob)
$ grep 'truncated-once.*safetensors' "$HUB/log" | sed 's/.* range/range/'
range= if-range= token=
range=bytes=1000000- if-range="v1" token=

== and in another run
$ simile pull t/truncated --retries 0
err: simile: cannot fetch 't/truncated/model.safetensors': the connection broke off
[1]
$ simile models --installed | grep "^  truncated"
  truncated  unfinished, 1.2 MB
$ ls -A ~/.local/share/simile/models/truncated.part
config.json
model.safetensors.part
simile-pull.json
$ simile pull t/truncated --retries 0
err: simile: cannot fetch 't/truncated/model.safetensors': the connection broke off
[1]
$ simile pull t/truncated --retries 0 --json; ls -A ~/.local/share/simile/models
{"name":"truncated",*"fetched":600000,"resumed":2400023,"cached":0} (glob)
truncated

== an unfinished pull can be dropped
$ simile pull t/truncated --retries 0
err: simile: cannot fetch 't/truncated/model.safetensors': the connection broke off
[1]
$ simile rm truncated; ls -A ~/.local/share/simile/models
removed truncated: 1.2 MB

== a part that was damaged meanwhile is found out
$ simile pull t/truncated --retries 0
err: simile: cannot fetch 't/truncated/model.safetensors': the connection broke off
[1]
$ printf x | dd of="$HOME/.local/share/simile/models/truncated.part/model.safetensors.part" conv=notrunc status=none
> simile pull t/truncated --retries 3
err: simile: cannot fetch 't/truncated/model.safetensors': what came does not have its checksum, and was thrown away
[1]
$ simile pull t/truncated --json
{"name":"truncated",*"fetched":3000000,"resumed":23,"cached":0} (glob)

== servers that do ranges wrongly, or not at all
$ for c in no-range wrong-range refused-range etag etag-ignored; do simile pull t/$c --retries 2 | head -n 1; done
pulled no-range: 2 files, 3.0 MB
pulled wrong-range: 2 files, 3.0 MB
pulled refused-range: 2 files, 3.0 MB
pulled etag: 2 files, 3.0 MB
pulled etag-ignored: 2 files, 3.0 MB
$ cd ~/.local/share/simile/models; sha256sum */model.safetensors | sed 's/ .*//' | sort -u | wc -l
1

== wrong content
$ for c in wrong-length wrong-hash html nothing chunked long-header; do simile pull t/$c --retries 0; done
err: simile: cannot fetch 't/wrong-length/model.safetensors': 3000000 bytes are listed, 3000001 would come
err: simile: cannot fetch 't/wrong-hash/model.safetensors': what came does not have its checksum, and was thrown away
err: simile: cannot fetch 't/html/model.safetensors': a web page came in its place
err: simile: cannot fetch 't/nothing/model.safetensors': the connection broke off
err: simile: cannot fetch 't/chunked/model.safetensors': it ended after 2999999 of 3000000 bytes
err: simile: cannot fetch 't/long-header': the server sends too much
[1]
$ ls -A ~/.local/share/simile/models | grep -v part
[1]

== a silent server is given up, and the next connection goes on
$ simile pull t/stalled-always --timeout 1 --retries 0
err: simile: cannot fetch 't/stalled-always/model.safetensors': nothing came for 1 seconds
[1]
$ simile pull t/stalled --timeout 1 --retries 1 --json
{"name":"stalled",*"fetched":3000023,* (glob)

== nobody there
$ HF_ENDPOINT=http://127.0.0.1:1 simile pull t/good
err: simile: cannot fetch 't/good': no connection to the server
[1]
$ HF_ENDPOINT=http://no-such-host.invalid simile pull t/good
err: simile: cannot fetch 't/good': the server's name is not known (no network?)
[1]
$ HF_ENDPOINT=gopher://x simile pull t/good
err: simile: 'gopher://x' is no http or https URL
[1]

== 200 MB, interrupted by Ctrl-C, and resumed
$ part=~/.local/share/simile/models/big.part/model.safetensors.part
> simile pull t/big & pid=$!
> i=0; until [ "$(stat -c %s "$part" 2>/dev/null || echo 0)" -ge 79000000 ] || [ $i -gt 600 ]; do sleep 0.1; i=$((i + 1)); done
> kill -TERM $pid; wait $pid
err: simile: warning: cannot *cancelled; what came so far is kept (glob)
[143]
$ simile pull t/big --json
{"name":"big",*"files":2,"bytes":200000023,"fetched":1*,"resumed":*,"cached":0} (glob)
$ sha256sum <~/.local/share/simile/models/big/model.safetensors; grep 'big.*safetensors' "$HUB/log" | tail -n 1 | sed 's/.* range/range/'
e077494c7cfb7834d67a55047a311c2692620077ebe83e174c5e1820b5f3a546  -
range=bytes=*- if-range="v1" token= (glob)
$ simile rm big
removed big: 200.0 MB

== two pulls of one model do not meet
$ simile pull t/stalled-always --timeout 20 --retries 0 >/dev/null 2>&1 & pid=$!
> i=0; until [ -e ~/.local/share/simile/models/stalled-always.part/model.safetensors.part ] || [ $i -gt 600 ]; do sleep 0.05; i=$((i + 1)); done
> simile pull t/stalled-always; simile rm stalled-always; kill -TERM $pid; wait $pid
err: simile: another program is at work on the model 'stalled-always'
err: simile: another program is at work on the model 'stalled-always'
[143]

== OpenAI's URLs hold the checksum
$ sum=$(simile pull t/good >/dev/null; sha256sum ~/.local/share/simile/models/good/model.safetensors | sed 's/ .*//')
> simile pull "http://127.0.0.1:$PORT/clip/models/$sum/RN-test.pt" --json
{"name":"RN-test","source":"http://127.0.0.1:*/RN-test.pt","directory":"*/models/RN-test","files":2,"bytes":3000100,"fetched":3000100,"resumed":0,"cached":0} (glob)
$ HF_TOKEN=hf_url simile pull "http://127.0.0.1:$PORT/clip/models/$(printf %064d 7)/other.pt" --retries 0
err: simile: cannot fetch 'other.pt': what came does not have its checksum, and was thrown away
[1]
$ grep -c hf_url "$HUB/log"
0
[1]

== OpenAI's weights come with OpenAI's tokenizer
$ sum=$(sha256sum <"$MODELS/../archives/openai/script/tiny.pt" | sed 's/ .*//')
> HF_TOKEN=hf_url simile pull "http://127.0.0.1:$PORT/clip/models/$sum/tiny.pt" --json
{"name":"tiny","source":"http://127.0.0.1:*/tiny.pt","directory":"*/models/tiny","files":2,"bytes":181612,"fetched":181612,"resumed":0,"cached":0} (glob)
$ ls ~/.local/share/simile/models/tiny; grep -c hf_url "$HUB/log"; simile --model tiny tokenize "the dog"
bpe_simple_vocab_16e6.txt.gz
simile-model.json
tiny.pt
0
520 513 515 521
$ simile rm tiny; ls ~/.local/share/simile/models
removed tiny: 182.0 kB

== the tokenizer has a checksum, too, and comes first
$ sum=$(sha256sum <"$MODELS/../archives/openai/script/tiny.pt" | sed 's/ .*//')
> url=http://127.0.0.1:$PORT/clip/models/$sum/tiny.pt bpe=bpe_simple_vocab_16e6.txt.gz
> SIMILE_CLIP_BPE=http://127.0.0.1:$PORT/clip/$bpe simile pull "$url" --retries 0 --name first
> SIMILE_CLIP_BPE=http://127.0.0.1:$PORT/clip/models/$(printf %064d 7)/$bpe simile pull "$url" --retries 0 --name first
> SIMILE_CLIP_BPE=http://127.0.0.1:$PORT/nothing/$bpe simile pull "$url" --retries 0 --name first
> SIMILE_CLIP_BPE=http://127.0.0.1:1/$bpe simile pull "$url" --retries 0 --name first
> SIMILE_CLIP_BPE=/tmp/$bpe simile pull "$url" --retries 0 --name first
err: simile: cannot fetch 'bpe_simple_vocab_16e6.txt.gz': what came does not have its checksum, and was thrown away
err: simile: cannot fetch 'bpe_simple_vocab_16e6.txt.gz': what came does not have its checksum, and was thrown away
err: simile: cannot fetch 'bpe_simple_vocab_16e6.txt.gz': the server does not have it (404)
err: simile: cannot fetch 'bpe_simple_vocab_16e6.txt.gz': no connection to the server
err: simile: '/tmp/bpe_simple_vocab_16e6.txt.gz' is no http or https URL
[1]
$ ls ~/.local/share/simile/models ~/.local/share/simile/models/first.part
*/models: (glob)
first.part

*/models/first.part: (glob)
bpe_simple_vocab_16e6.txt.gz.part
simile-pull.json
$ sum=$(sha256sum <"$MODELS/../archives/openai/script/tiny.pt" | sed 's/ .*//')
> simile pull "http://127.0.0.1:$PORT/clip/models/$sum/tiny.pt" --name first | head -n 1; simile --model first tokenize "the dog"
pulled first: 2 files, 181.6 kB
520 513 515 521

== weights of others come alone
$ sum=$(sha256sum <"$MODELS/../archives/openai/script/tiny.pt" | sed 's/ .*//')
> simile pull "http://127.0.0.1:$PORT/clip/$sum/tiny.pt" --json
{"name":"tiny",*"files":1,"bytes":181512,* (glob)

== the cache of the Hugging Face libraries
$ simile pull t/good >/dev/null; models=~/.local/share/simile/models; cache=~/.cache/huggingface/hub/models--t--good
> c=0123456789abcdef0123456789abcdef01234567 sum=$(sha256sum "$models/good/model.safetensors" | sed 's/ .*//')
> mkdir -p "$cache/blobs" "$cache/refs" "$cache/snapshots/$c"; printf %s $c >"$cache/refs/main"
> cp "$models/good/model.safetensors" "$cache/blobs/$sum"
> ln -s ../../blobs/$sum "$cache/snapshots/$c/model.safetensors"
> cp "$models/good/config.json" "$cache/snapshots/$c"
> simile pull t/good --replace --json
{"name":"good",*"fetched":23,"resumed":0,"cached":3000000} (glob)
$ HF_HUB_OFFLINE=1 HF_ENDPOINT=http://127.0.0.1:1 simile pull t/good --name offline --json
{"name":"offline",*"fetched":0,"resumed":0,"cached":3000023} (glob)
$ HF_HUB_OFFLINE=1 simile pull t/other
err: simile: cannot pull 't/other': HF_HUB_OFFLINE is set, and it is not in the cache
[1]
$ HF_HUB_OFFLINE=1 simile pull RN50
err: simile: cannot pull 'RN50.pt': HF_HUB_OFFLINE is set
[1]
$ printf x | dd of="$(readlink -f ~/.cache/huggingface/hub/models--t--good/snapshots/*/model.safetensors)" conv=notrunc status=none
> HF_HUB_OFFLINE=1 simile pull t/good --name again
err: simile: cannot pull 't/good/model.safetensors': HF_HUB_OFFLINE is set, and the cache's copy is damaged
[1]
$ simile pull t/good --name again --json
{"name":"again",*"fetched":3000023,"resumed":0,"cached":0} (glob)

== a known model says of which space it is, and a known text tower beside which
# small models stand for the large ones, in the cache
$ for r in openai/clip-vit-base-patch32=tiny-quick sentence-transformers/clip-ViT-B-32-multilingual-v1=sentence-bert \
>     sentence-transformers/clip-ViT-B-32=tiny-quick; do
>     cache=~/.cache/huggingface/hub/models--$(echo "${r%=*}" | sed 's/\//--/') c=0123456789abcdef0123456789abcdef01234567
>     mkdir -p "$cache/refs" "$cache/snapshots"; printf %s $c >"$cache/refs/main"
>     cp -r "$MODELS/${r#*=}" "$cache/snapshots/$c"
> done
> export HF_HUB_OFFLINE=1
> simile pull clip-vit-base-patch32 clip-ViT-B-32-multilingual-v1 | grep -c pulled
> simile pull sentence-transformers/clip-ViT-B-32 --name other >/dev/null
> simile pull openai/clip-vit-base-patch32@0123456789abcdef0123456789abcdef01234567 --name unsure >/dev/null
> cd ~/.local/share/simile/models; for m in *; do echo "$m: $(tr -d ' \n' 2>/dev/null <"$m/simile.json" || echo nothing)"; done 2>/dev/null
2
clip-ViT-B-32-multilingual-v1: {"embedding_space":{"name":"sentence-transformers/clip-ViT-B-32-multilingual-v1","compatible_with":["openai/clip-vit-base-patch32"]}}
clip-vit-base-patch32: {"embedding_space":{"name":"openai/clip-vit-base-patch32"}}
other: {"embedding_space":{"name":"openai/clip-vit-base-patch32"}}
unsure: nothing
$ for i in 1 2; do pattern $i.ppm $i; done
> export SIMILE_MODEL=clip-vit-base-patch32; simile add 1.ppm 2.ppm | sed 's/ in .*//'
> simile search --text-model clip-ViT-B-32-multilingual-v1 "两只狗在雪地里" -p -q | wc -l
> SIMILE_MODEL=other simile search --text-model clip-ViT-B-32-multilingual-v1 "two dogs" -p | wc -l
> SIMILE_MODEL=clip-ViT-B-32-multilingual-v1 simile search "two dogs" -p | wc -l
pictures: 2 added
2
2
2
$ simile info clip-vit-base-patch32 --json | grep -o '"space":"[^"]*"'
"space":"openai/clip-vit-base-patch32"
"space":"openai/clip-vit-base-patch32"
$ simile pair unsure clip-vit-base-patch32 >/dev/null; simile rm unsure other clip-ViT-B-32-multilingual-v1 | sed 's/:.*//'
> ls -A ~/.local/share/simile/models
removed unsure
removed other
removed clip-ViT-B-32-multilingual-v1
clip-vit-base-patch32

== the table of known models
$ simile models --known --json | grep -o '"name"' | wc -l
20
$ simile models --known | grep -c 'needs a later version'
0
[1]
$ simile models x
err: simile: 'models' takes no words
err: try 'simile models --help'
[2]
