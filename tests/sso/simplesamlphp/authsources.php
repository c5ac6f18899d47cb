<?php
// The people of the file PORTCULLIS_SSO_PEOPLE, read anew with every request.
$config = ['people' => ['exampleauth:UserPass']];
foreach (json_decode(file_get_contents(getenv('PORTCULLIS_SSO_PEOPLE')), true) as $name => $person) {
    $config['people'][$name . ':' . $person['password']] = [
        'uid' => [$name],
        'displayName' => [$person['name']],
        'mail' => [$person['email']],
        'groups' => $person['groups'],
    ];
}
