# search: terms, weights, filters, outputs. The vectors of the little model mean nothing, so these tests compare searches
# with each other; what is found for what is the business of bundled.t.

== every result is there once, best first, and the limit holds
$ export SIMILE_MODEL=$MODELS/tiny-quick
> mkdir pics; for i in 1 2 3 4 5 6 7; do pattern pics/$i.ppm $i; done; simile add pics >/dev/null
> simile search x --json | tr '{' '\n' | sed -n 's/"rank":\([0-9]*\),.*"similarity":\([^}]*\)}.*/\1 \2/p' |
>     awk '{ if ($1 != NR || (NR > 1 && $2 > last)) print "wrong:", $0; last = $2 } END { print NR }'
7
$ for k in 1 3 100; do simile search --model "$MODELS/tiny-quick" x -k $k -p | sort -u | wc -l; done
1
3
7

== --offset goes on where the first ones end
$ mkdir pics; for i in 1 2 3 4 5 6 7; do pattern pics/$i.ppm $i; done; export SIMILE_MODEL=$MODELS/tiny-quick
> simile add pics >/dev/null
> simile search x -p >all; { simile search x -k 3 -p; simile search x -k 3 --offset 3 -p; simile search x --offset 6 -p; } |
>     cmp - all
$ simile --model "$MODELS/tiny-quick" search x --offset 3 -k 1 | cut -c 1-4
  4 
$ simile --model "$MODELS/tiny-quick" search x --offset 7 --json
{"query":"x","model":"tiny-quick","text_model":null,"count":0,"results":[]}
$ simile --model "$MODELS/tiny-quick" search x --offset 7; simile --model "$MODELS/tiny-quick" search x --offset 7 -p
nothing found

== a picture finds itself first, and not at all with --others
$ mkdir pics; for i in 1 2 3 4; do pattern pics/$i.ppm $i; done; export SIMILE_MODEL=$MODELS/tiny-quick
> simile add pics >/dev/null
> simile search --image pics/3.ppm -k 1 | sed 's/\/.*pics/pics/'
  1  100.00%  pics/3.ppm
$ simile search --model "$MODELS/tiny-quick" --image pics/3.ppm --others -p | sed 's/.*pics/pics/' | sort
pics/1.ppm
pics/2.ppm
pics/4.ppm
$ id=$(simile info --items | awk '/3.ppm/ { print $1 }')
> simile search --like $id -p | head -n 1 | sed 's/.*pics/pics/'
> simile search --like $id --others -p >one; simile search --model "$MODELS/tiny-quick" --image pics/3.ppm --others -p |
>     cmp - one
pics/3.ppm

== a picture that is not in the catalogue
$ mkdir pics; for i in 1 2 3 4; do pattern pics/$i.ppm $i; done; export SIMILE_MODEL=$MODELS/tiny-quick
> simile add pics >/dev/null; cp pics/2.ppm elsewhere.ppm
> simile search --image elsewhere.ppm -k 1 | sed 's/\/.*pics/pics/'
  1  100.00%  pics/2.ppm
$ simile search --model "$MODELS/tiny-quick" --image nowhere.ppm
err: simile: cannot read '*nowhere.ppm': no such file or directory (glob)
[1]
$ simile search --like 99
err: simile: * 99* (glob)
[1]

== words without quotes are one text
$ pattern a.ppm 1; export SIMILE_MODEL=$MODELS/tiny-quick; simile add a.ppm >/dev/null
> simile search two dogs in the snow --json | sed 's/,"results.*//'
> simile search "two dogs in the snow" --json >one; simile search two dogs in the snow --json | cmp - one
{"query":"two dogs in the snow","model":"tiny-quick","text_model":null,"count":1
$ simile --model "$MODELS/tiny-quick" search a dog --text "a cat" --image a.ppm --weight 0.5 --not "people" --like 1 \
>     --weight -2 --json | sed 's/,"model.*//'
{"query":"a dog + a cat + 0.5 x a.ppm - people - 2 x #1"
$ simile --model "$MODELS/tiny-quick" search --not x --json | sed 's/,"model.*//'
{"query":"- x"
$ simile --model "$MODELS/tiny-quick" search -- --not -k | wc -l
1

== each line of a file is a query of its own, with the answer that it gets alone
$ mkdir pics; for i in 1 2 3 4 5 6 7; do pattern pics/$i.ppm $i; done; export SIMILE_MODEL=$MODELS/tiny-quick
> simile add pics >/dev/null; i=0; while [ $i -lt 300 ]; do i=$((i + 1)); echo "line $i"; done >lines
> simile search --queries lines -k 3 --json >together; wc -l <together
> for i in 1 2 256 257 300; do simile search "line $i" -k 3 --json; done >alone
> sed -n '1,2p;256,257p;300p' together | cmp - alone
300
$ printf 'a dog\n\n  \na cat' | simile --model "$MODELS/tiny-quick" search --queries - --not people -k 2 --glob '*/3.ppm' |
>     sed 's/  .*pics/  pics/'
a dog - people
  pics/3.ppm

a cat - people
  pics/3.ppm
$ printf 'x\ny\n' | simile --model "$MODELS/tiny-quick" search --queries - -p >both
> { simile --model "$MODELS/tiny-quick" search x -p; simile --model "$MODELS/tiny-quick" search y -p; } | cmp - both
$ : | simile --model "$MODELS/tiny-quick" search --queries -
$ simile --model "$MODELS/tiny-quick" search --queries nowhere
err: simile: cannot read 'nowhere': no such file or directory
[1]
$ printf 'x\n' | simile --model "$MODELS/tiny-quick" search --queries - --like 99
err: simile: * 99* (glob)
[1]
$ printf 'x\n\n \ny\nz\n' | simile --model "$MODELS/tiny-quick" search --queries - --not y
err: simile: cannot search for line 4 of 'standard input': the terms of the query cancel each other out
[1]
$ { cat lines; echo y; echo z; } >more; simile --model "$MODELS/tiny-quick" search --queries more --not y -p | wc -l
1792
err: simile: cannot search for line 301 of 'more': the terms of the query cancel each other out
$ head -n 30 lines >some; for k in 3 200000 10000000; do
>     simile --model "$MODELS/tiny-quick" search --queries some -k $k -p >"by $k"; done
> wc -l <"by 3"; cmp "by 200000" "by 10000000" && wc -l <"by 200000"
90
210

== weights: twice one is one, minus turns around, and the sum is what counts
$ mkdir pics; for i in 1 2 3 4 5 6 7; do pattern pics/$i.ppm $i; done; export SIMILE_MODEL=$MODELS/tiny-quick
> simile add pics >/dev/null
> simile search x -p >plain; simile search x --weight 7 -p | cmp - plain
> simile search --not x -p | tac | cmp - plain
> simile search x --weight -1 -p | tac | cmp - plain
> simile search x --text x -p | cmp - plain
> simile search x --text y --text y --weight -1 -p | cmp - plain

== filters by path
$ mkdir -p pics/a pics/b; for i in 1 2 3; do pattern pics/a/$i.ppm $i; pattern pics/b/$i.ppm 1$i; done
> export SIMILE_MODEL=$MODELS/tiny-quick; simile add pics >/dev/null
> simile search x --glob '*/a/*' -p | sed 's/.*pics/pics/' | sort
pics/a/1.ppm
pics/a/2.ppm
pics/a/3.ppm
$ simile --model "$MODELS/tiny-quick" search x -g '*/?/2.ppm' -p | sed 's/.*pics/pics/' | sort
pics/a/2.ppm
pics/b/2.ppm
$ simile --model "$MODELS/tiny-quick" search x -g '*.jpg' --json
{"query":"x","model":"tiny-quick","text_model":null,"count":0,"results":[]}

== filters by date: the file's where the camera wrote none
$ mkdir pics; for y in 2021 2022 2023 2024; do pattern pics/$y.ppm $y; TZ=UTC touch -d "$y-06-15 12:00" pics/$y.ppm; done
> export SIMILE_MODEL=$MODELS/tiny-quick; simile add pics >/dev/null
> years() { simile search x -p "$@" | sed 's/.*\(20..\).ppm/\1/' | sort | tr '\n' ' '; echo; }
> years; years --after 2022; years --before 2023; years --after 2022 --before 2024; years --after 2023-06-15
> years --after 2023-06-16; years --before 2021-06-15; years --before 2021-06-16; years --after 2022-06 --before 2022-07
2021 2022 2023 2024 
2022 2023 2024 
2021 2022 
2022 2023 
2023 2024 
2024 

2021 
2022 

== a filter never makes the answer shorter than it can be
$ mkdir -p pics/rare pics/many; i=0
> while [ $i -lt 40 ]; do pattern pics/many/$i.ppm $i; i=$((i + 1)); done
> for i in 1 2 3; do pattern pics/rare/$i.ppm 20$i; done; export SIMILE_MODEL=$MODELS/tiny-quick
> simile add pics >/dev/null
> for q in one two three four five six; do simile search $q --glob '*/rare/*' -k 3 -p | wc -l; done | sort -u
3

== a bound on the similarity
$ mkdir pics; for i in 1 2 3 4; do pattern pics/$i.ppm $i; done; export SIMILE_MODEL=$MODELS/tiny-quick
> simile add pics >/dev/null
> simile search --image pics/1.ppm --min 99.9 -p | sed 's/.*pics/pics/'
pics/1.ppm
$ simile search --like 1 --others --min 99.999 --json
{"query":"#1","model":null,"text_model":null,"count":0,"results":[]}

== texts by pictures, texts by texts, and each kind apart
$ pattern a.ppm 1; export SIMILE_MODEL=$MODELS/tiny-quick
> simile add a.ppm --text "a red boat" --text "a blue house" >/dev/null
> simile search --image a.ppm --texts | sed 's/^ *[0-9]*  *[-0-9.]*%  //' | sort
a blue house
a red boat
$ simile --model "$MODELS/tiny-quick" search "a blue house" --texts -k 1
  1  100.00%  a blue house
$ simile --model "$MODELS/tiny-quick" search "a blue house" --texts -k 1 --json
{"query":"a blue house","model":"tiny-quick","text_model":null,"count":1,"results":[{"rank":1,"id":*,"text":"a blue house","similarity":*}]} (glob)
$ simile --model "$MODELS/tiny-quick" search "a blue house" -p | sed 's/.*\///'
a.ppm

== the number of threads changes nothing
$ mkdir pics; for i in 1 2 3 4 5 6 7 8 9; do pattern pics/$i.ppm $i; done; export SIMILE_MODEL=$MODELS/tiny-quick
> simile add pics --threads 1 >/dev/null
> simile --threads 1 search x --json >one; for n in 2 3 8; do simile --threads $n search x --json | cmp - one; done

== an old file that is gone is still found until the next add
$ mkdir pics; pattern pics/1.ppm 1; pattern pics/2.ppm 2; export SIMILE_MODEL=$MODELS/tiny-quick
> simile add pics >/dev/null; rm pics/1.ppm; simile search x -p | wc -l; simile add pics >/dev/null; simile search x -p | wc -l
2
1
