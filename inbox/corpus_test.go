package inbox

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heed/consent"
)

// A corpusMail is a line of the corpus's manifest.
type corpusMail struct {
	path, class, mailbox, language, subclass string
	accept, recipients, hard                 []string
}

// corpus finds the collection of real mails that lies beside the project; its
// files keep licences of their own and are not part of it.
func corpus(t *testing.T) (dir string, mails []corpusMail) {
	t.Helper()
	dir = os.Getenv("HEED_CORPUS")
	if dir == "" {
		dir = "../../shared/corpus"
	}
	file, err := os.Open(filepath.Join(dir, "manifest.tsv"))
	if err != nil {
		if os.Getenv("HEED_CORPUS") != "" {
			t.Fatal(err)
		}
		t.Skipf("the corpus of real mails is missing: set HEED_CORPUS to the folder of its manifest.tsv (%v)", err)
	}
	defer file.Close()
	table := csv.NewReader(file)
	table.Comma, table.LazyQuotes, table.FieldsPerRecord = '\t', true, -1
	rows, err := table.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		mails = append(mails, corpusMail{path: row[0], class: row[1], subclass: row[2], mailbox: row[4], language: row[11],
			accept: strings.Split(row[3], "|"), recipients: strings.Split(row[5], ";"), hard: strings.Split(row[10], ";")})
	}
	return dir, mails
}

func (m corpusMail) accepts(kind consent.Kind) bool {
	return slices.ContainsFunc(m.accept, func(class string) bool {
		class, _, _ = strings.Cut(class, ":")
		return class == string(kind) || class == "any"
	})
}

// A tally counts right answers of one group.
type tally struct{ right, all int }

func (t tally) share() float64 { return float64(t.right) / float64(max(1, t.all)) }

// TestCorpus reads every mail of the collection. The floors are what is promised;
// they may only rise.
func TestCorpus(t *testing.T) {
	dir, mails := corpus(t)
	ring := consent.Keyring{1: []byte("a key of no consequence for the corpus")}
	confusion := map[string]map[consent.Kind]int{}
	right := map[string]tally{}
	bounces := bounceTally{}
	for _, m := range mails {
		raw, err := os.ReadFile(filepath.Join(dir, m.path))
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		got := Read(raw, m.mailbox, ring, Ours{})
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%s took %s", m.path, took)
		}
		count(right, m, got)
		if confusion[m.class] == nil {
			confusion[m.class] = map[consent.Kind]int{}
		}
		confusion[m.class][got.Kind]++
		if !m.accepts(got.Kind) {
			t.Logf("%s (%s, %s at %s@): read as %s %v", m.path, m.class, m.language, m.mailbox, got.Kind, got.Evidence)
		}
		if harm := m.harm(got); harm != "" {
			t.Errorf("%s, %s: %s as %s %v %v", harm, m.path, m.class, got.Kind, got.Also, got.Evidence)
		}
		if m.class == "bounce" {
			bounces.compare(t, m, got)
		}
	}
	t.Log(table(confusion))
	for _, group := range slices.Sorted(mapsKeys(right)) {
		t.Logf("%-28s %3d of %3d", group, right[group].right, right[group].all)
	}
	t.Log(bounces)
	floors(t, right)
	bounces.floors(t)
}

// harm says what may never happen: that something is done which nobody asked
// for, or that somebody is erased who asked to be left alone.
func (m corpusMail) harm(got consent.Request) string {
	erases := got.Kind == consent.KindErasure || slices.Contains(got.Also, consent.KindErasure)
	switch m.class {
	case "torture", "auto-reply", "unrelated", "bounce", "arf":
		if actsAlone(got.Kind) || erases || len(got.Stops()) > 0 {
			return "would be acted on"
		}
	case "unsubscribe", "preference", "objection":
		if erases {
			return "erasure from an opt-out"
		}
	}
	return ""
}

// requests are the classes of mail that ask for something.
var requests = []string{"unsubscribe", "preference", "objection", "erasure", "access", "rectification", "complaint", "guardian"}

func mapsKeys(m map[string]tally) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

func count(right map[string]tally, m corpusMail, got consent.Request) {
	groups := []string{m.class}
	if slices.Contains(requests, m.class) {
		groups = append(groups, "requests")
		first := right["requests, first choice"]
		first.all++
		if string(got.Kind) == m.class {
			first.right++
		}
		right["requests, first choice"] = first
	}
	if m.class == "unsubscribe" && slices.Contains([]string{"en", "de", "fr", "es"}, m.language) {
		groups = append(groups, "unsubscribe en de fr es")
	}
	for _, group := range groups {
		t := right[group]
		t.all++
		if m.accepts(got.Kind) {
			t.right++
		}
		right[group] = t
	}
}

// actsAlone are the kinds on which something is done before a person looks.
func actsAlone(kind consent.Kind) bool {
	return kind == consent.KindUnsubscribe || kind == consent.KindErasure || kind == consent.KindObjection
}

func table(confusion map[string]map[consent.Kind]int) string {
	kinds := []consent.Kind{consent.KindUnsubscribe, consent.KindPreference, consent.KindObjection, consent.KindErasure,
		consent.KindAccess, consent.KindRectification, consent.KindComplaint, consent.KindGuardian, consent.KindBounce,
		consent.KindSpamReport, consent.KindAutoReply, consent.KindUnrelated, consent.KindReview}
	var out strings.Builder
	fmt.Fprintf(&out, "\n%-14s", "is \\ read as")
	for _, kind := range kinds {
		fmt.Fprintf(&out, "%7.6s", kind)
	}
	for _, class := range append(kinds, "torture") {
		fmt.Fprintf(&out, "\n%-14s", class)
		for _, kind := range kinds {
			fmt.Fprintf(&out, "%7d", confusion[string(class)][kind])
		}
	}
	return out.String()
}

func floors(t *testing.T, right map[string]tally) {
	for group, floor := range map[string]float64{
		"requests": 0.97, "requests, first choice": 0.7, "unsubscribe en de fr es": 1, "unsubscribe": 0.97, "bounce": 0.99, "arf": 0.98, "auto-reply": 0.98, "torture": 1,
		"erasure": 0.97, "access": 0.95, "objection": 0.97, "rectification": 0.97, "complaint": 0.97, "unrelated": 0.97,
	} {
		if got := right[group].share(); got < floor {
			t.Errorf("%s: %.2f are read right, not %.2f", group, got, floor)
		}
	}
}
