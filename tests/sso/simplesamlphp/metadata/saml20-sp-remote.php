<?php
$metadata[getenv('PORTCULLIS_SSO_SP')] = [
    'AssertionConsumerService' => getenv('PORTCULLIS_SSO_ACS'),
    'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    'saml20.sign.assertion' => true,
    'saml20.sign.response' => true,
    'validate.authnrequest' => false,
];
