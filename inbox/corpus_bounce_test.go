package inbox

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"heed/consent"
)

// bounceTally counts how well the bounces of the collection were read.
type bounceTally struct {
	mails      tally    // all recipients named, and nobody else
	hardness   tally    // of recipients
	wronglyDie []string // called hard where the source says that they are not
}

func (b bounceTally) String() string {
	return fmt.Sprintf("bounces with exactly the right recipients %d of %d, hard or not %d of %d, wrongly hard %d",
		b.mails.right, b.mails.all, b.hardness.right, b.hardness.all, len(b.wronglyDie))
}

// compare takes the recipients of a mail as a set: one too many is as wrong as
// one too few.
func (b *bounceTally) compare(t *testing.T, m corpusMail, got consent.Request) {
	read := map[string]consent.Bounce{}
	for _, fate := range got.Bounces {
		read[strings.ToLower(fate.Recipient)] = fate
	}
	b.compareSets(t, m, read, got)
	for i, address := range m.recipients {
		fate, known := read[strings.ToLower(address)]
		if !known || i >= len(m.hard) || m.hard[i] == "" {
			continue
		}
		b.hardness.all++
		if m.hard[i] == fmt.Sprint(fate.Hard) {
			b.hardness.right++
			continue
		}
		t.Logf("%s: hard should be %s: %+v", m.path, m.hard[i], fate)
		if fate.Hard {
			b.wronglyDie = append(b.wronglyDie, m.path)
		}
	}
}

func (b *bounceTally) compareSets(t *testing.T, m corpusMail, read map[string]consent.Bounce, got consent.Request) {
	want := map[string]bool{}
	for _, address := range m.recipients {
		if address != "" {
			want[strings.ToLower(address)] = true
		}
	}
	if len(want) == 0 {
		return
	}
	b.mails.all++
	names, wanted := slices.Sorted(maps.Keys(read)), slices.Sorted(maps.Keys(want))
	if slices.Equal(names, wanted) {
		b.mails.right++
		return
	}
	t.Logf("%s (%s): recipients %q, want %q", m.path, got.Kind, names, wanted)
}

func (b bounceTally) floors(t *testing.T) {
	if b.mails.share() < 0.99 || b.hardness.share() < 0.95 {
		t.Errorf("too low: %s", b)
	}
	for _, path := range b.wronglyDie {
		t.Errorf("%s would end an address that its source says is alive", path)
	}
}
