package inbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"heed/consent"
)

// linkOf names the person for whom the tests' tokens are sealed.
var linkOf = consent.Key{1, 2, 3}

// withTokens puts sealed links where a test mail wants them.
func withTokens(raw []byte) []byte {
	token := testRing.Seal(consent.Link{Purpose: consent.PurposeOptOut, Address: linkOf, Scope: 3})
	bounce := testRing.Seal(consent.Link{Purpose: consent.PurposeBounce, Address: linkOf, Scope: 42})
	return []byte(strings.NewReplacer("TOKEN-OPTOUT", token, "TOKEN-UPPER", strings.ToUpper(token), "TOKEN-BOUNCE", bounce, "KEY-OF-PERSON", linkOf.String()).Replace(string(raw)))
}

// describe writes a request in the words of the .want files.
func describe(r consent.Request) map[string][]string {
	said := map[string][]string{"kind": {string(r.Kind)}, "scope": {string(r.Scope)}, "language": {r.Language},
		"from": {r.From}, "campaign": {r.Campaign}, "link": {"no"}, "rule": {}, "also": {}, "bounce": {}}
	if r.Link != nil && r.Link.Address == linkOf {
		said["link"] = []string{"yes"}
		if r.Link.Purpose == consent.PurposeBounce {
			said["link"] = []string{"bounce"}
		}
	}
	for _, e := range r.Evidence {
		said["rule"] = append(said["rule"], e.Rule)
	}
	for _, kind := range r.Also {
		said["also"] = append(said["also"], string(kind))
	}
	for _, b := range r.Bounces {
		said["bounce"] = append(said["bounce"], describeBounce(b))
	}
	return said
}

func describeBounce(b consent.Bounce) string {
	status, hardness := b.Status, "soft"
	if status == "" {
		status = "-"
	}
	if b.Hard {
		hardness = "hard"
	}
	return fmt.Sprintf("%s %s %s %s", b.Recipient, b.Action, status, hardness)
}

// TestMails reads testdata/NN-name.eml and compares with NN-name.want: a line
// for each thing that must be so. Of several rules or kinds one must fit;
// bounces are all listed.
func TestMails(t *testing.T) {
	names, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(names) < 40 {
		t.Fatalf("%d test mails: %v", len(names), err)
	}
	ours := Ours{Addresses: []string{"news@news.example"}, Domain: "news.example"}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(name, ".eml") + ".want")
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(name), func(t *testing.T) { checkMail(t, withTokens(raw), string(want), ours) })
	}
}

func checkMail(t *testing.T, raw []byte, want string, ours Ours) {
	role := RoleUnsubscribe
	if line, _, _ := strings.Cut(want, "\n"); strings.HasPrefix(line, "role: ") {
		role = strings.TrimPrefix(line, "role: ")
	}
	request := Read(raw, role, testRing, ours)
	got := describe(request)
	bounces := 0
	for _, line := range strings.Split(strings.TrimSpace(want), "\n") {
		what, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if what == "role" {
			continue
		}
		if what == "bounce" {
			bounces++
		}
		if !slices.Contains(got[what], value) {
			t.Errorf("%s is %q, want %q (%+v)", what, got[what], value, request.Evidence)
		}
	}
	if bounces != len(request.Bounces) {
		t.Errorf("%d recipients are listed, want %d: %v", len(request.Bounces), bounces, got["bounce"])
	}
	if request.Authenticated {
		t.Error("reading a mail proves nothing of who wrote it")
	}
}
