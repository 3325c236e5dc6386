# eval: how well captions find their pictures. Equal pictures tie, so what comes out can be said beforehand.

== ties count against, and any right answer counts
$ export SIMILE_MODEL=$MODELS/tiny-quick; pattern a.ppm 1; cp a.ppm b.ppm
> printf 'a.ppm\tx\nb.ppm\ty\n' >one.tsv; printf 'a.ppm\tx\r\nb.ppm\tx\r\n\r\n' >two.tsv
> simile eval --pairs one.tsv --pairs two.tsv
                 text to image                     image to text
        pairs       R@1     R@5    R@10  median       R@1     R@5    R@10  median
one         2      0.0%  100.0%  100.0%       2     50.0%  100.0%  100.0%     1.5
two         2    100.0%  100.0%  100.0%       1    100.0%  100.0%  100.0%       1
worst: one, text to image R@5 100.0%, 1.000 of one
$ simile eval --model "$MODELS/tiny-quick" --pairs one.tsv -k 1,2 --json
{"model":"tiny-quick","text_model":null,"k":[1,2],"runs":[{"name":"one","file":"one.tsv","pairs":2,"images":2,"texts":2,"truncated":0,"via":{"direct":2,"translate":0,"multilingual":0},"text_to_image":{"recall":[0,1],"median_rank":2},"image_to_text":{"recall":[0.5,1],"median_rank":1.5}}],"worst":{"name":"one","k":2,"recall":1,"baseline":"one","ratio":1}}

== a folder of files, pictures elsewhere, a baseline
$ export SIMILE_MODEL=$MODELS/tiny-quick; mkdir p t; pattern p/a.ppm 1; cp p/a.ppm p/b.ppm
> printf 'a.ppm\tx\nb.ppm\ty\n' >t/b.tsv; printf 'a.ppm\tx\n' >t/a.tsv; echo no >t/readme
> simile eval --pairs t --pictures p -k 1 --baseline a | sed 1,2d
a           1    100.0%       1    100.0%       1
b           2      0.0%       2     50.0%     1.5
worst: b, text to image R@1 0.0%, 0.000 of a
$ simile eval --pairs t --pictures p --baseline c
err: simile: no run is named 'c', which --baseline wants
[1]

== the bundled models know the gallery in English and in German
$ cd "$GALLERY"; simile eval --pairs "$SOURCE/tests/fixtures/pairs" --pictures . --text-model simile-languages --baseline en -k 1 | sed 1,2d
de          3    100.0%       1    100.0%       1
en          3    100.0%       1    100.0%       1
worst: de, text to image R@1 100.0%, 1.000 of en

== the bundled model knows the whole gallery by the names of its files, whatever it computes in
$ for f in "$GALLERY"/*.jpg; do c=${f##*/}; printf '%s\t%s\n' "$f" "$(echo "${c%-[0-9]*.jpg}" | tr - ' ')"; done >names.tsv
> for d in f32 bf16 int8; do simile eval --pairs names.tsv --dtype $d -k 1 | tail -n 1 | tr -s ' ' | awk '{ print $2, ($3 + 0 >= 99.5 && $5 + 0 >= 94.5) ? "as ever" : $0 }'; done
109 as ever
109 as ever
109 as ever

== Chinese captions by translation, each candidate for itself, and by the tower for many languages
$ cut -f1 "$SOURCE/tests/fixtures/pairs/en.tsv" >names
> printf '在雪地里有两条狗\n一只猫在桌子上\n夜晚的伦敦\n' | paste names - >zh.tsv
> for how in "translate" "translate --fuse max" "multilingual"; do
>     simile eval --pairs zh.tsv --pictures "$GALLERY" -k 1 --via $how | sed 1,2d
> done
zh          3    100.0%       1    100.0%       1
3 captions were translated
zh          3    100.0%       1    100.0%       1
3 captions were translated
zh          3    100.0%       1    100.0%       1
3 captions were read by a text tower for many languages

== one sentence for what is wrong, with the line
$ pattern a.ppm 1; printf 'a.ppm\tx\na.ppm x\n' >bad.tsv; simile eval --pairs bad.tsv
err: simile: cannot read 'bad.tsv': line 2 has no tab between a picture and a caption
[1]
$ printf '\tx\n' >bad.tsv; simile eval --pairs bad.tsv
err: simile: cannot read 'bad.tsv': line 1 has no picture before its tab
[1]
$ printf 'a.ppm\t \n' >bad.tsv; simile eval --pairs bad.tsv
err: simile: cannot read 'bad.tsv': line 1 has no caption behind its tab
[1]
$ : >bad.tsv; simile eval --pairs bad.tsv
err: simile: cannot read 'bad.tsv': no pair is in it
[1]
$ printf 'a.ppm\tx\ngone.ppm\ty\n' >bad.tsv; simile eval --pairs bad.tsv
err: simile: no picture './gone.ppm', which line 2 of 'bad.tsv' names
[1]
$ echo text >b.ppm; printf 'a.ppm\tx\nb.ppm\ty\n' >bad.tsv; simile eval --model "$MODELS/tiny-quick" --pairs bad.tsv
err: simile: line 2 of 'bad.tsv': cannot read './b.ppm': * (glob)
[1]
$ mkdir empty; simile eval --pairs empty; simile eval --pairs none.tsv
err: simile: no .tsv file is in 'empty'
err: simile: cannot read 'none.tsv': no such file or directory
[1]

== called wrongly
$ simile eval; simile eval x; simile eval --pairs x -k 5,1; simile eval --pairs x -k 1,,2
err: simile: nothing to evaluate: say --pairs FILE
err: try 'simile eval --help'
err: simile: 'eval' takes no words: say --pairs FILE
err: try 'simile eval --help'
err: simile: '5,1' is no value for -k: up to 8 rising numbers are needed, such as 1,5,10
err: try 'simile eval --help'
err: simile: '1,,2' is no value for -k: up to 8 rising numbers are needed, such as 1,5,10
err: try 'simile eval --help'
[2]
