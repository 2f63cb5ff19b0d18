package consent

import (
	"os"
	"strings"
	"testing"
)

// TestRefusals reads testdata/refusals.txt: what servers say, and what it means.
func TestRefusals(t *testing.T) {
	text, err := os.ReadFile("testdata/refusals.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.SplitN(line, " | ", 4)
		if len(fields) != 4 {
			t.Fatalf("line %d has %d fields", i+1, len(fields))
		}
		for j := range fields {
			fields[j] = strings.TrimPrefix(strings.TrimSpace(fields[j]), "-")
		}
		r := Refusal{Step: Step(strings.Replace(fields[1], "CONNECT", string(StepConnect), 1)), Status: fields[2], Words: fields[3]}
		if got := meaning(r); got != fields[0] {
			t.Errorf("line %d means %s, not %s: %+v", i+1, fields[0], got, r)
		}
		lines++
	}
	if lines < 120 {
		t.Errorf("only %d replies", lines)
	}
}

func meaning(r Refusal) string {
	switch {
	case r.Hard() && r.Policy():
		return "both"
	case r.Hard():
		return "hard"
	case r.Policy():
		return "policy"
	}
	return "soft"
}

// TestPolicyIsNeverHard puts each code of subject 7 before words that would
// otherwise end an address.
func TestPolicyIsNeverHard(t *testing.T) {
	for _, status := range []string{"5.7.0", "5.7.1", "5.7.26", "5.7.509", "4.7.1", "5.7.13", "5.7.17"} {
		for _, step := range []Step{StepUnknown, StepConnect, StepMail, StepRcpt, StepData} {
			in := []Refusal{{status, "550 user unknown", step}, {"5.1.1", "550 " + status + " user unknown", step}, {"", "550 " + status + " no such user", step}}
			for _, r := range in {
				if r.Hard() {
					t.Errorf("hard: %+v", r)
				}
			}
		}
	}
}
