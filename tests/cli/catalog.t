# add, remove, verify, info: the life of a catalogue.

== add, again, changed, moved, deleted
$ export SIMILE_MODEL=$MODELS/tiny-quick
> mkdir pics; for i in 1 2 3 4; do pattern pics/$i.ppm $i; done
> simile add pics | sed 's/ in .*//'
pictures: 4 added
$ simile --model "$MODELS/tiny-quick" add pics
pictures: 4 unchanged
$ pattern pics/1.ppm 11; mkdir pics/sub; mv pics/2.ppm pics/sub/two.ppm; rm pics/3.ppm; pattern pics/5.ppm 5
> simile --model "$MODELS/tiny-quick" add pics | sed 's/ in .*//'
pictures: 1 added, 1 updated, 1 moved, 1 forgotten, 1 unchanged
$ simile info --items | sed 's/ .*pics/ pics/'
* pics/1.ppm (glob)
* pics/sub/two.ppm (glob)
* pics/4.ppm (glob)
* pics/5.ppm (glob)
$ simile verify; simile verify --files
4 items, 0 problems
4 items, 0 problems

== the default place, and the parents of another are made
$ pattern a.ppm 1
> simile --model "$MODELS/tiny-quick" add a.ppm --json | sed 's/.*"catalog":"\([^"]*\)".*/\1/'
*/home/.local/share/simile/catalog.simile (glob)
$ XDG_DATA_HOME=$PWD/data simile --model "$MODELS/tiny-quick" add a.ppm --json | sed 's/.*"catalog":"\([^"]*\)".*/\1/'
*/work/data/simile/catalog.simile (glob)
$ simile --model "$MODELS/tiny-quick" --catalog new/folder/c.simile add a.ppm | sed 's/ in .*//'; ls new/folder/c.simile
pictures: 1 added
new/folder/c.simile
$ SIMILE_CATALOG=env.simile simile --model "$MODELS/tiny-quick" add a.ppm | sed 's/ in .*//'; ls env.simile
pictures: 1 added
env.simile
$ env -u HOME simile --model "$MODELS/tiny-quick" add a.ppm
err: simile: cannot find a place for the catalogue: neither HOME nor XDG_DATA_HOME is set; say --catalog FILE
[1]

== a file that cannot be read is set aside, told, and tried again when asked
$ mkdir pics; pattern pics/good.ppm 1; echo no picture >pics/bad.jpg; : >pics/empty.png
> simile --model "$MODELS/tiny-quick" add pics | sed 's/ in .*//'
pictures: 1 added, 2 could not be read
'simile info --quarantined' says why
$ simile info --quarantined | sed 's/^ *[0-9]* *.*pics/pics/'
pics/bad.jpg: not a picture
pics/empty.png: * (glob)
$ simile --model "$MODELS/tiny-quick" add pics | head -n 1
pictures: 3 unchanged
$ simile --model "$MODELS/tiny-quick" add --retry pics | sed 's/ in .*//' | head -n 1
pictures: 1 unchanged, 2 could not be read
$ pattern pics/bad.jpg 2
> simile --model "$MODELS/tiny-quick" add pics | sed 's/ in .*//' | head -n 1
pictures: 1 updated, 2 unchanged
$ simile search --model "$MODELS/tiny-quick" x -p | sed 's/.*pics/pics/' | sort
pics/bad.jpg
pics/good.ppm

== a file that is named itself is tried whatever its name
$ pattern picture.dat 1
> simile --model "$MODELS/tiny-quick" add picture.dat | sed 's/ in .*//'
pictures: 1 added

== a path that is not there
$ simile --model "$MODELS/tiny-quick" add nowhere
err: simile: cannot read '*nowhere': no such file or directory (glob)
[1]

== a folder without pictures
$ mkdir empty
> simile --model "$MODELS/tiny-quick" add empty
pictures: none found

== missing files are kept when asked
$ mkdir pics; pattern pics/1.ppm 1; pattern pics/2.ppm 2
> simile --model "$MODELS/tiny-quick" add pics >/dev/null; rm pics/2.ppm
> simile --model "$MODELS/tiny-quick" add --keep-missing pics; simile info --items | wc -l
> simile --model "$MODELS/tiny-quick" add pics; simile info --items | wc -l
pictures: 1 unchanged
2
pictures: 1 forgotten, 1 unchanged
1

== names with blanks, quotes, newlines, and bytes that are no UTF-8
$ mkdir pics
> pattern "pics/two words.ppm" 1; pattern "pics/quote'\".ppm" 2; pattern "pics/new
> line.ppm" 3; pattern "pics/$(printf 'latin\351').ppm" 4; pattern "pics/猫.ppm" 5; pattern "pics/-dash.ppm" 6
> simile --model "$MODELS/tiny-quick" add pics | sed 's/ in .*//'
pictures: 6 added
$ simile --model "$MODELS/tiny-quick" search x -0 | tr -dc '\000' | wc -c
6
$ simile --model "$MODELS/tiny-quick" search x -0 | xargs -0 ls | wc -l
7
$ simile --model "$MODELS/tiny-quick" verify --files
6 items, 0 problems

== texts are items, too
$ printf 'one\ntwo\n\none\n' >texts
> simile --model "$MODELS/tiny-quick" add --texts-from texts --text three
texts: 3 added, 1 unchanged
$ simile --model "$MODELS/tiny-quick" add --text three --text four
texts: 1 added, 1 unchanged
$ simile info --items --json | sed 's/.*"kind":"\([^"]*\)","text":"\([^"]*\)".*/\1 \2/'
text three
text one
text two
text four
$ simile remove --text two; simile remove --text two
removed 1
err: simile: the text 'two' is not in the catalogue
[1]

== remove takes a file, a folder, a pattern
$ mkdir -p pics/a pics/b; for i in 1 2 3; do pattern pics/a/$i.ppm $i; pattern pics/b/$i.ppm 1$i; done
> simile --model "$MODELS/tiny-quick" add pics >/dev/null
> simile remove pics/a/1.ppm; simile remove pics/a; simile remove '*/b/[!1].ppm' '*/3.ppm' --json
removed 1
removed 2
* (glob)
$ simile info --items | wc -l; ls pics/a | wc -l
* (glob)
3
$ simile remove pics/a
err: simile: nothing in the catalogue is named 'pics/a'
[1]

== a catalogue made at another size of pictures is refused
$ export SIMILE_MODEL=$MODELS/tiny-quick; pattern a.ppm 1
> simile add a.ppm --image-size 24 | sed 's/ in .*//'; simile search x --image-size 24 -p | sed 's/.*a.ppm/a.ppm/'
pictures: 1 added
a.ppm
$ SIMILE_MODEL=$MODELS/tiny-quick simile search x
err: simile: the vectors in the catalogue are those of the model 'tiny-quick' (*), not of 'tiny-quick' (*) (glob)
[1]
$ SIMILE_MODEL=$MODELS/tiny-quick simile search x --image-size 17
err: simile: the vectors in the catalogue are those of the model 'tiny-quick' (*), not of 'tiny-quick' (*) (glob)
[1]
$ SIMILE_MODEL=$MODELS/tiny-quick simile info --image-size 24 | grep -c 'not the model above'
0
[1]

== another model's vectors are refused
$ pattern a.ppm 1
> simile --model "$MODELS/tiny-quick" add a.ppm >/dev/null
> simile --model "$MODELS/tiny-gelu" search x
err: simile: the vectors in the catalogue are those of the model 'tiny-quick' (*), not of 'tiny-gelu' (*) (glob)
[1]
$ simile --model "$MODELS/tiny-gelu" add a.ppm
err: simile: the vectors in the catalogue are those of the model 'tiny-quick' (*), not of 'tiny-gelu' (*) (glob)
[1]
$ simile --model "$MODELS/tiny-gelu" info | tail -n 1
            vectors of tiny-quick (not the model above)

== the same model under another name is the same
$ pattern a.ppm 1; cp -r "$MODELS/tiny-quick" copy
> simile --model "$MODELS/tiny-quick" add a.ppm >/dev/null
> simile --model ./copy search x -p | wc -l
1

== a search, a remove, a verify without a catalogue
$ for c in 'search x' 'remove x' verify 'info --items'; do simile --model "$MODELS/tiny-quick" $c; done 2>&1 |
>     sed "s/'[^']*home/'HOME/"
simile: cannot open the catalogue 'HOME/.local/share/simile/catalog.simile': there is none yet; make it with 'simile add FOLDER'
simile: cannot open the catalogue 'HOME/.local/share/simile/catalog.simile': there is none yet; make it with 'simile add FOLDER'
simile: cannot open the catalogue 'HOME/.local/share/simile/catalog.simile': there is none yet; make it with 'simile add FOLDER'
simile: cannot open the catalogue 'HOME/.local/share/simile/catalog.simile': there is none yet; make it with 'simile add FOLDER'
$ ls "$HOME"

== a catalogue that is none
$ echo hello >c.simile
> simile --catalog c.simile verify
err: simile: cannot read '*/c.simile': not a catalogue (glob)
[1]
$ pattern a.ppm 1
> simile --catalog c.simile --model "$MODELS/tiny-quick" add a.ppm
err: simile: cannot read '*/c.simile': not a catalogue (glob)
[1]
$ cat c.simile
hello

== a vector that was tampered with is found
$ pattern a.ppm 1
> simile --model "$MODELS/tiny-quick" --catalog c.simile add a.ppm >/dev/null
> simile verify --catalog c.simile
1 item, 0 problems
$ pattern a.ppm 2
> simile verify --files --catalog c.simile | sed 's/.*a.ppm/a.ppm/'
a.ppm: * (glob)
1 item, 1 problem
$ simile verify --files --catalog c.simile --json >out; echo $?; sed 's/"[^"]*a.ppm"/"a.ppm"/' out
1
{"problems":[{"id":1,"path":"a.ppm","problem":"*"}],"catalog":"c.simile","items":1} (glob)

== thumbnails that are damaged are found, too
$ pattern a.ppm 1
> simile --model "$MODELS/tiny-quick" --catalog c.simile add a.ppm >/dev/null
> printf 'not thumbnails' >c.simile-thumbs
> simile verify --catalog c.simile | sed 's/.*c.simile-thumbs:/thumbs:/'
thumbs: cannot read '*/c.simile-thumbs': not a file of thumbnails (glob)
1 item, 1 problem

== an interruption keeps what was done, and the same command goes on
# SIGTERM and SIGINT are treated alike, and sh would have a command in the background ignore the latter.
$ mkdir pics; i=0; while [ $i -lt 60 ]; do pattern pics/$i.ppm $i 64; i=$((i + 1)); done
> simile --model "$MODELS/tiny-quick" --catalog c.simile add --batch 1 pics >out 2>err & pid=$!
> while [ ! -e c.simile ] && kill -0 $pid 2>/dev/null; do :; done
> kill -TERM $pid; wait $pid; status=$?
> case $status in
> 0) ;; # it was done before the signal came
> 143) grep -q '^simile: stopped; [0-9]* pictures are in the catalogue, run the same command to go on$' err || cat err ;;
> *) echo "status $status"; cat err ;;
> esac
> simile --catalog c.simile verify | sed 's/.* items*/items/'
> simile --model "$MODELS/tiny-quick" --catalog c.simile add pics >out 2>&1
> simile --catalog c.simile verify
items, 0 problems
60 items, 0 problems

== a period, the newest first, thumbnails beside the catalogue
$ mkdir pics; for i in 1 2 3; do pattern pics/$i.ppm $i; touch -d 202$i-05-17T12:00Z pics/$i.ppm; done
> simile --catalog c.simile --model "$MODELS/tiny-quick" add --after 2022 --newest-first --no-thumbnails pics | sed 's/ in .*//'
pictures: 2 added
$ simile --catalog c.simile info --items | sed 's/ .*pics/ pics/'; ls c.simile-thumbs 2>&1 | sed 's/.*: //'
* pics/3.ppm (glob)
* pics/2.ppm (glob)
No such file or directory
$ simile --catalog c.simile --model "$MODELS/tiny-quick" add --before 2022-05 pics | sed 's/ in .*//'; ls c.simile-thumbs
pictures: 1 added
c.simile-thumbs
$ simile --catalog c.simile --model "$MODELS/tiny-quick" add --after soon pics 2>&1 | head -n 1
simile: 'soon' is no value for --after: 2023, 2023-05 or 2023-05-17 is needed

== pictures that are alike are told in groups
$ mkdir pics pics/sub; pattern pics/a.ppm 1; pattern pics/sub/b.ppm 1; pattern pics/sub/c.ppm 1; echo none >pics/d.png
> simile --model "$MODELS/tiny-quick" add pics | sed 's/ in .*//' | head -n 1
pictures: 3 added, 1 could not be read
$ simile duplicates --similarity 100 | sed 's/ \/.*pics/ pics/'
100.00%  pics/a.ppm
100.00%  pics/sub/b.ppm
100.00%  pics/sub/c.ppm
$ simile duplicates --folder pics/sub --json | sed 's/"path":"[^"]*pics/"path":"pics/g; s/"catalog":"[^"]*"/"catalog":""/'
{"groups":[{"items":[{"id":3,"path":"pics/sub/b.ppm","similarity":100},{"id":4,"path":"pics/sub/c.ppm","similarity":*}]}],"catalog":"","similarity":96,"count":1} (glob)
$ simile remove pics/a.ppm pics/sub/c.ppm; simile duplicates
removed 2
$ simile duplicates pics 2>&1 | head -n 1; simile duplicates --similarity 101 2>&1 | head -n 1
simile: 'duplicates' takes no words; --folder names a folder
simile: '101' is no value for --similarity: * (glob)
