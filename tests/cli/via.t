# Texts in other languages, with what comes with simile. Needs the bundled models and pictures.

== tokens and candidates of each text before the vectors, and which one it was
$ p=$SOURCE/gallery/two-brown-dogs-in-the-snow-1.jpg; simile --model "$SOURCE/models/simile-scenes" compare "$p" 在雪地里有两条狗 夜晚的伦敦
Texts: [在雪地里有两条狗, 夜晚的伦敦]
Image: * (glob)

Vector dimension: 192

Image vector: * (glob)

Tokens: [在, 雪地, 里, 有, 两条, 狗]
在雪地里有两条狗:
*two dogs in the snow, * (glob)

Tokens: [夜晚, 的, 伦敦]
夜晚的伦敦:
*London at night, * (glob)

Text *在雪地里有两条狗* vector: * (glob)
Similarity: * (glob)
Candidate: two dogs in the snow

Text *夜晚的伦敦* vector: * (glob)
Similarity: * (glob)
Candidate: London at night

Softmax confidence (logit scale 37.160053):
Texts: [在雪地里有两条狗, 夜晚的伦敦]
Probabilities: * (glob)

Confidence of "在雪地里有两条狗" being similar to the image: * (glob)

== the right sentence is first in English, in Chinese by translation, and by the tower for many languages
$ p=$SOURCE/gallery/two-brown-dogs-in-the-snow-1.jpg; export SIMILE_MODEL=$SOURCE/models/simile-scenes
> simile compare "$p" "There are two dogs in the snow" "A cat is on the table" "London at night" | grep Prob
> for way in translate multilingual; do
>     simile compare --via $way "$p" 在雪地里有两条狗 一只猫在桌子上 夜晚的伦敦 | grep Prob
>     simile compare --via $way "$p" 两只狗在雪地里 一只猫在桌子上 夜晚的伦敦 | grep Prob
>     simile compare --via $way "$p" 在雪地裡有兩條狗 一隻貓在桌子上 夜晚的倫敦 | grep Prob
> done
Probabilities: [0.9* (glob)
Probabilities: [0.9* (glob)
Probabilities: [0.9* (glob)
Probabilities: [0.9* (glob)
Probabilities: [0.9* (glob)
Probabilities: [0.9* (glob)
Probabilities: [0.9* (glob)

== each way says what it is
$ m="$SOURCE/models/simile-scenes"; simile --model "$m" embed --text 夜晚的伦敦 -- "London at night" | sed 's/"embedding.*//'
{"kind":"text","input":"夜晚的伦敦","script":"han","via":"translate","read_by":"simile-scenes","translator":"simile-zh-en",*"fuse":"first","candidate":0, (glob)
{"kind":"text","input":"London at night",
$ m="$SOURCE/models/simile-scenes"; simile --model "$m" embed --fuse mean --candidates 2 --text 夜晚的伦敦 | grep -c '"fuse":"mean","candidate":null'; simile --model "$m" embed --via direct --text 夜晚的伦敦 | grep -c '"via"'
1
0
[1]

== what goes wrong
$ simile compare --via air a b
err: simile: 'air' is no value for --via: auto, direct, translate or multilingual is needed
err: try 'simile compare --help'
[2]
$ simile embed --fuse max --text x
err: simile: --fuse max has no vector: it takes the best candidate for each picture
err: try 'simile embed --help'
[2]
