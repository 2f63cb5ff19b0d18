package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"heed/store"
	"heed/worker"
)

// defaultBackup is declared where the file declares nothing.
var defaultBackup = []backupConfig{{Name: "database", Cycle: "30d"}}

func (c *config) checkErasure() (problems []error) {
	for i, one := range c.Backup {
		if one.Name == "" {
			problems = append(problems, fmt.Errorf("backup %d: needs a name, which certificates of erasure show", i+1))
		}
		if _, err := days(one.Cycle); err != nil {
			problems = append(problems, fmt.Errorf("backup %d (%s): the cycle %q must be how long a copy lives, such as 30d or 720h", i+1, one.Name, one.Cycle))
		}
	}
	seen := map[string]bool{}
	for i, one := range c.System {
		if err := one.check(seen); err != nil {
			problems = append(problems, fmt.Errorf("system %d (%s): %w", i+1, one.ID, err))
		}
	}
	for _, one := range slices.Concat(c.Processors, c.Partners) {
		if one.System != "" && !seen[one.System] {
			problems = append(problems, fmt.Errorf("%s: there is no [[system]] %q to tell of erasures", one.Name, one.System))
		}
	}
	return problems
}

// systemConfig is another program that may hold people, and is told when
// somebody is erased.
type systemConfig struct {
	ID           string `toml:"id" json:"id"`
	Name         string `toml:"name" json:"name"`
	Kind         string `toml:"kind" json:"kind"` // product | partner | processor
	URL          string `toml:"url" json:"url"`
	SecretFile   string `toml:"secret_file" json:"secret_file"`
	AllowPrivate bool   `toml:"allow_private" json:"allow_private"`
}

func (s systemConfig) check(seen map[string]bool) error {
	switch {
	case !slug.MatchString(s.ID):
		return errors.New("its id must be of a-z, 0-9, dot, dash and underscore, at most 64")
	case seen[s.ID]:
		return errors.New("it stands there twice")
	case s.Name == "":
		return errors.New("needs a name, which certificates of erasure show")
	case s.SecretFile == "":
		return errors.New("needs a secret_file: what it is told is signed")
	case s.Kind != "product" && s.Kind != "partner" && s.Kind != "processor":
		return fmt.Errorf("its kind is %q, but must be product, partner or processor", s.Kind)
	}
	seen[s.ID] = true
	return worker.CheckWebhookURL(s.URL)
}

// systems is what the worker needs to tell them. A host that is named as this
// machine may be this machine.
func (c *config) systems() (all []worker.System) {
	for _, one := range c.System {
		u, err := url.Parse(one.URL)
		own := err == nil && loopback(u.Hostname())
		all = append(all, worker.System{ID: one.ID, Name: one.Name,
			Webhook: worker.Webhook{URL: one.URL, SecretFile: c.relative(one.SecretFile), Public: !one.AllowPrivate && !own}})
	}
	for _, one := range c.Partners {
		if one.ownWay() {
			all = append(all, one.asSystem(c))
		}
	}
	return all
}

// checkSystems looks at the secrets, which are read again for every call.
func (c *config) checkSystems() (problems []error) {
	for _, one := range c.systems() {
		if one.Mail != "" || one.Fetches { // nothing that is signed goes there
			continue
		}
		if _, err := one.Secrets(); err != nil {
			problems = append(problems, fmt.Errorf("system %s: %w", one.ID, err))
		}
	}
	return problems
}

// days reads a time of which the unit may also be a day.
func days(text string) (time.Duration, error) {
	if number, is := strings.CutSuffix(text, "d"); is {
		n, err := strconv.Atoi(number)
		return time.Duration(n) * 24 * time.Hour, positive(min(n, 1000), err)
	}
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = errRange
	}
	return d, err
}

// plan is what erasures need to know of the configuration, which was checked.
func (c *config) plan() (p store.Plan) {
	backups := c.Backup
	if len(backups) == 0 {
		backups = defaultBackup
	}
	for _, one := range c.System {
		p.Systems = append(p.Systems, store.System{ID: one.ID, Name: one.Name})
	}
	c.planSharing(&p)
	for _, one := range backups {
		cycle, _ := days(one.Cycle)
		p.Backups = append(p.Backups, store.Backup{Name: one.Name, Cycle: cycle})
	}
	return p
}
