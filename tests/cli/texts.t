# A model of texts alone: whatever needs no picture works, and what needs one says so in a sentence.

== what it is
$ simile --model "$MODELS/sentence-distil" info
simile      0.1.0
model       sentence-distil (bert), */tests/fixtures/models/sentence-distil (glob)
            vectors of 14 numbers, no pictures, texts of 32 tokens out of 217
            15,512 parameters, stored as F16, logit scale 100 (softmax)
            digest ???????????????????????????????????????????????????????????????? (glob)
            computed in f32 (as asked for), kernels *, products oneDNN * (glob)
catalogue   */home/.local/share/simile/catalog.simile (glob)
            none yet: 'simile add FOLDER' makes it
$ simile --model "$MODELS/sentence-distil" info --json | sed 's/.*"family":"\([^"]*\)".*"image_size":\([0-9]*\),.*/\1 \2/'
bert 0

== tokens and vectors in many scripts
$ simile --model "$MODELS/sentence-distil" tokenize "两条狗在雪地里" "два" ""
2 92 96 98 94 100 95 99 3
2 51 150 148 3
2 3
$ simile --model "$MODELS/sentence-xlmr" embed --normalize --text "два собаки" "कुत्ते" |
>     sed 's/.*\[//; s/\].*//' | tr , '\n' | awk '{ s += $1 * $1 } END { printf "%d %.5f\n", NR, s }'
36 2.00000
$ simile --model "$MODELS/sentence-distil" tokenize "$(yes a | head -n 40 | tr '\n' ' ')" | wc -w
32
err: simile: warning: 'a a a a a a a a a a a a a a a a a a a a ...' was cut to the 32 tokens that the model reads

== words by words
$ simile --model "$MODELS/sentence-distil" add --text "two dogs in the snow" --text "zwei Katzen auf dem Sofa" --text "два собаки" --json | tail -n 1
{*"added":3,*} (glob)
$ simile --model "$MODELS/sentence-distil" search "two dogs in the snow" --texts -k 1
* 100.* two dogs in the snow (glob)
$ simile --model "$MODELS/sentence-distil" search "два собаки" --texts -k 1 --json
{"query":"два собаки","model":"sentence-distil","text_model":null,"count":1,"results":[{"rank":1,"id":*,"text":"два собаки","similarity":*}]} (glob)
$ simile verify
* (glob)
$ simile --model "$MODELS/sentence-xlmr" search "two dogs" --texts
err: simile: the vectors in the catalogue are those of the model 'sentence-distil' (*), not of 'sentence-xlmr' (*) (glob)
[1]

== pictures it does not see
$ simile --model "$MODELS/sentence-distil" add "$MODELS/pictures"
err: simile: the model 'sentence-distil' has no image tower
[1]
$ simile --model "$MODELS/sentence-distil" add --text "two dogs" >/dev/null
> simile --model "$MODELS/sentence-distil" search --image "$MODELS/pictures/wide.png" --texts
err: simile: the model 'sentence-distil' has no image tower
[1]
$ simile --model "$MODELS/sentence-distil" embed --image "$MODELS/pictures/wide.png"
err: simile: the model 'sentence-distil' has no image tower
[1]
$ simile --model "$MODELS/sentence-distil" compare "$MODELS/pictures/wide.png" "a dog"
err: simile: the model 'sentence-distil' has no image tower
[1]
$ simile --model "$MODELS/sentence-distil" classify "$MODELS/pictures/wide.png" --label a --label b
err: simile: the model 'sentence-distil' has no image tower
[1]
$ simile --model "$MODELS/sentence-distil" preprocess "$MODELS/pictures/wide.png" -o x.npy
err: simile: the model 'sentence-distil' has no image tower
[1]
$ ls

== a last layer that has to be fetched elsewhere
$ cp -r "$MODELS/mclip-bert" m-bert && simile --model ./m-bert info --json | sed 's/.*"family":"\([^"]*\)".*/\1/'
bert
$ rm m-bert/*.pkl; simile --model ./m-bert tokenize x
err: simile: cannot open the model '*/m-bert': its last layer is not in it: put 'M-BERT-Base-69-ViT Linear Weights.pkl', which legacy_get-weights.sh of FreddeFrallan/Multilingual-CLIP fetches, beside it (glob)
[1]
