"""What a deployment of Django OAuth Toolkit writes itself: its addresses and its users' claims."""

import json

from django.conf import settings
from django.contrib.auth.views import LoginView
from django.urls import include, path
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.views import ConnectDiscoveryInfoView


class Validator(OAuth2Validator):
    """Tell who the user is, each claim with the scope that it belongs to."""

    def get_additional_claims(self, request):
        user = request.user
        return {"name": user.get_full_name(), "preferred_username": user.username, "email": user.email}


class CompleteDiscovery(ConnectDiscoveryInfoView):
    """The discovery document with the two endpoints that the toolkit leaves out of it."""

    def get(self, request, *args, **kwargs):
        response = super().get(request, *args, **kwargs)
        more = {"device_authorization_endpoint": "device-authorization", "revocation_endpoint": "revoke-token"}
        endpoints = {name: self._get_endpoint_url(request, view) for name, view in more.items()}
        response.content = json.dumps({**json.loads(response.content), **endpoints})
        return response


urlpatterns = [path("login/", LoginView.as_view())]
if settings.COMPLETE_DISCOVERY:
    urlpatterns.append(path(f"{settings.MOUNT}/.well-known/openid-configuration", CompleteDiscovery.as_view()))
urlpatterns.append(path(f"{settings.MOUNT}/", include("oauth2_provider.urls")))
